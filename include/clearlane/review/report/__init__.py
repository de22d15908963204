"""The page of a weight review: read in five minutes by a head of sales, in an hour by an analyst."""
