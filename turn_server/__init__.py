"""A turn server over plain HTTP: it pairs two players and passes their game's text between them."""
