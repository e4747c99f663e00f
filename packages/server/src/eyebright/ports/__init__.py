"""The sockets: what the services need of the outside, as Protocols. Adapters live in stores, executors, catalog, subscribers."""
