"""The built-in provider `studio`: procedural pictures from prompt, style and seed."""
