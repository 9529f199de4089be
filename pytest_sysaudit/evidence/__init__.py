"""What is kept of what was seen, and what is taken out of it first.

The words: a *recording* is the folder that ``--audit-evidence`` writes; an *observation* is one
thing that was seen; a `Journal` takes observations in, a `Player` tells them again; a `Bundle` is a
recording that is being read; *evidence* of a result are the observations that its check used.
"""
