"""What flows through Passerby and the order it flows in; imports none of the packages that plug into it."""
