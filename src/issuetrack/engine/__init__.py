"""Everything but front ends and connectors. Prints nothing, draws nothing."""
