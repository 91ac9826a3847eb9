"""A batch on the nodes of a Ray cluster, whose plan and journal stay on this machine, and the nodes of a server."""
