"""What a release is made of and where it lies: images, web bundle and site, mobile apps, secrets."""
