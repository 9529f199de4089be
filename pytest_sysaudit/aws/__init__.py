"""AWS accounts: a read-only boto3 session, its guard, and what AWS's answers mean."""
