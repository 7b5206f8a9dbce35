"""One image from message to people: mailbox, worker, frame."""
