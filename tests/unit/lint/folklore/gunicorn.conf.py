import multiprocessing

bind = "127.0.0.1:41180"
cores = multiprocessing.cpu_count()
workers = 12
worker_memory_limit = 200 * 1024 * 1024
