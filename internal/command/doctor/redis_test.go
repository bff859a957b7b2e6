package doctor

import "testing"

func TestRedisFindings(t *testing.T) {
	tests := []struct {
		name string
		got  Finding
		want Verdict
	}{
		{"old", examineVersion(map[string]string{"redis_version": "6.2.14"}, "host"), Failed},
		{"new", examineVersion(map[string]string{"redis_version": "7.0.15"}, "host"), Healthy},
		{"valkey", examineVersion(map[string]string{"redis_version": "6.0", "valkey_version": "8.0.1"}, "host"), Healthy},
		{"no version", examineVersion(nil, "host"), Failed},
		{"append-only file", examinePersistence(map[string]string{"aof_enabled": "1"}), Healthy},
		{"snapshots", examinePersistence(map[string]string{"rdb_last_save_time": "1", "rdb_changes_since_last_save": "0", "rdb_saves": "2"}), Warned},
		{"nothing saved", examinePersistence(map[string]string{"rdb_saves": "0"}), Warned},
		{"evicts anything", examineEviction(map[string]string{"maxmemory_policy": "allkeys-lru"}), Failed},
		{"evicts what expires", examineEviction(map[string]string{"maxmemory_policy": "volatile-lru"}), Healthy},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got.Verdict != tt.want || tt.got.Detail == "" || (tt.want == Healthy) != (tt.got.Hint == "") {
				t.Errorf("%+v, want %s, with a hint unless it is ok", tt.got, tt.want)
			}
		})
	}
}
