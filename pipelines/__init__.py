"""Jobs around the live service: replay a feed, train the models, write the sample feed. They may import monitor."""
