"""What steps say and checks do: every region at once, confirm, judge, record."""
