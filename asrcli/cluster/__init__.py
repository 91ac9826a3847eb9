"""A batch on the nodes of a Ray cluster. The plan and the journal stay on this machine, the driver."""
