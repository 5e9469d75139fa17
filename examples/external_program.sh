#!/bin/sh
# A cost in another language: a line of JSON in, a line of JSON out. Here x is two numbers and a choice.
while read -r line; do
    echo "$line" | awk -F'[:,{}]+' '{
        # {"id":7,"x":{"a":0.1,"b":0.2,"mode":"fast"}} in fields: $3 is 7, $6 is 0.1, $8 is 0.2, $10 is "fast"
        if ($6 < -1.5) { printf "{\"id\":%d,\"cost\":\"failed\",\"reason\":\"a is too small\"}\n", $3; exit }
        cost = ($6 - 1) * ($6 - 1) + ($8 + 0.5) * ($8 + 0.5) + ($10 ~ /fast/ ? 0 : 1)
        printf "{\"id\":%d,\"cost\":%.9f}\n", $3, cost
    }'
done
