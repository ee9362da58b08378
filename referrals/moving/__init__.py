"""When a patient has moved to another practice: everything here ends, and neither practice hears of the other."""
