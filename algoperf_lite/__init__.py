"""The harness of algoperf-lite: time-to-result trials of training algorithms."""
