"""What every page is made of: base views, forms, the Jinja environment and the middleware."""
