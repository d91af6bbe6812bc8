"""Image providers behind one Protocol, and the catalogue of their models."""
