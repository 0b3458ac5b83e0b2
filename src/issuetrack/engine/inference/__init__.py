"""Models: the only room that loads one."""
