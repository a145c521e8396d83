"""A long history of made-up events, to measure and to try the product with."""
