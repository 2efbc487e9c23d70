"""What is installed: Vitess, MySQL and etcd, the tools that build or fetch them, and the account servers run as."""
