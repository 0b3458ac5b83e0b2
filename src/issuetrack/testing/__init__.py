"""What people who write connectors test them with."""
