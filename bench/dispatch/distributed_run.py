"""Maps a function that does nothing over N numbers with two Dask workers, each a process; prints tasks/s."""
import sys
import time

from distributed import Client, LocalCluster


def nothing(i):
    return i


def main():
    n = int(sys.argv[1])
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            client.gather(client.map(nothing, range(50)))  # the workers are up
            start = time.perf_counter()
            results = client.gather(client.map(lambda i: i + 0, range(n)))
            took = time.perf_counter() - start
            assert results == list(range(n))
            print(n / took)


if __name__ == "__main__":
    main()
