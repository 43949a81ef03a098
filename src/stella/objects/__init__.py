"""Files of a tenant that are kept by their digest, as people and programs reach them."""
