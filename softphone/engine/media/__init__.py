"""The media thread and its sessions: from the microphone to UDP and back."""
