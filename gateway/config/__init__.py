"""What the user writes: the structs (spec), reading them with line numbers (load), checking, profiles and secrets."""
