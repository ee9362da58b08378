"""What is written from the code of every room, and so stands above them all: the generated documents."""
