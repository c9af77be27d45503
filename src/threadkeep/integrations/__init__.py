"""Stores of other frameworks' conversations: a module for each, over the public client. Nothing else imports them."""
