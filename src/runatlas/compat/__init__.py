"""What serves programs written for matyan or for SwanLab's OpenApi: ``Repo``, ``OpenApi``, and MatyanQL."""
