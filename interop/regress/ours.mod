module github.com/swimguard/memberlist/interop/regress

go 1.26

require (
	github.com/hashicorp/memberlist v0.7.0
	github.com/swimguard/memberlist v0.0.0
)

require (
	github.com/hashicorp/go-immutable-radix v1.3.1 // indirect
	github.com/hashicorp/go-metrics v0.7.0 // indirect
	github.com/hashicorp/go-sockaddr v1.0.7 // indirect
	github.com/hashicorp/golang-lru v1.0.2 // indirect
)

replace github.com/swimguard/memberlist => ../..

replace github.com/hashicorp/memberlist => ../../dropin
