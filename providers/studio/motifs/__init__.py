"""Things a picture can hold: skies, ridges, water, trees, buildings, figures, vessels, weather."""
