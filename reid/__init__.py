"""Person re-identification: MGN, its training and evaluation, and embedders."""
