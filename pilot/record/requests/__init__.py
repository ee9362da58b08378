"""What a patient asks of the pilot and the guardian answers, each against a clock."""
