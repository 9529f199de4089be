"""What is audited: the inventory file, its targets, their selection and their secrets."""
