module spillway/tools

go 1.26
