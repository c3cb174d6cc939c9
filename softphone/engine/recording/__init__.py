"""Recording of calls: both sides to an encrypted file, and what can be done with such files."""
