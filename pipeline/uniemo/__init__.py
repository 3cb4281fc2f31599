"""UniEmo: one model that understands and generates emotional images."""
