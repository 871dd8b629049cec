# The door is ./dev; these are its names for people who type make.
.PHONY: run test lint bench web fmt clean help
run test lint bench web fmt clean help:
	@./dev $@
.DEFAULT_GOAL := help
