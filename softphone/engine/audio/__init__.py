"""One call's microphone and speaker, behind the one protocol of `backend.py`."""
