"""The FTP and FTPS server that cameras upload to; what they send lands in their folders, for the watcher."""
