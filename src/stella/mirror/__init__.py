"""The connected side: channels, their generations, and the bundles that carry them."""
