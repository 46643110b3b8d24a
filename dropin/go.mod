module github.com/swimguard/memberlist/dropin

go 1.26

require github.com/swimguard/memberlist v0.0.0

require (
	github.com/hashicorp/go-immutable-radix v1.3.1 // indirect
	github.com/hashicorp/go-metrics v0.6.0 // indirect
	github.com/hashicorp/go-sockaddr v1.0.7 // indirect
	github.com/hashicorp/golang-lru v0.5.0 // indirect
)

replace github.com/swimguard/memberlist => ../
