"""The numbers this product promises, measured on the machine that runs them."""
