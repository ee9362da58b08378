"""When a patient has died: all contact stops the same second, and nobody is written to by itself, ever."""
