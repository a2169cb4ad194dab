"""What goes on by itself: reasons to look again become passes, backups are made in between, Git is fetched beside it all."""
