"""What goes on by itself while the server runs: each loop does one service's `tick` over and over."""
