"""What `make bench` measures kahu with; bench/README.md says how to read it."""
