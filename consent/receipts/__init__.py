"""What a patient is given after deciding or stopping: its words, keeping and handing it over, its pages."""
