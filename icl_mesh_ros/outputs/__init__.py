"""From people to messages: humans, markers, TF, REP-155."""
