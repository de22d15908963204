"""The pages behind the links of mails: a rep takes a lead or declines it, without a login: the link is the credential.

GET and HEAD change nothing, so programs that look at links before people do answer nothing; POST answers.
"""

from clearlane_airflow.answers.web import app

__all__ = ["app"]
